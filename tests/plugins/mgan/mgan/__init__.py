"""A mixture of generators (Hoang et al. 2018), as a plugin of two members."""
