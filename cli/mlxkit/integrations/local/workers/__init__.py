"""Steps in processes of their own on this machine: as many at once as there is room for."""
