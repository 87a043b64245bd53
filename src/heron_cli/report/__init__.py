"""One self-contained HTML page about what a database holds; plotly and Jinja2 are the extra `report`."""
