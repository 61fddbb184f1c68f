"""Figures that say how close synthetic stays come to real ones, and the report that shows them."""
