"""Kinds, flavors, components and stacks: what is registered, whether it fits together, and what it stands for."""
