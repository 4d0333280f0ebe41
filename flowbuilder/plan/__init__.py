"""Planning: from definitions to a frozen Plan; the only importer of networkx."""
