"""The console's pages: rendered from what the API's own functions read. What changes something goes through the API.

A page is a route here (in the tuple of `all.py`, with a rule in `access.PAGE_RULES`), a template in
`service/console/templates` that extends the layout, and mostly a script in `service/console/static/js/pages`.
"""
