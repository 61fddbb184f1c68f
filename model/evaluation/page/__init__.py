"""What the report's page is made of: its tables, its plots, and its words."""
