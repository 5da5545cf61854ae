"""Cluster labels of groups, and rows that meet by them: what ClavaDDPM is built on and the graph engine draws."""
