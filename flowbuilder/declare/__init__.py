"""What users write: decorators, definitions, FlowBuilder and the collection of it all."""
