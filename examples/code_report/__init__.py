"""The plain Python behind ``flow_code_report.py``: measuring, summing up, drawing."""
