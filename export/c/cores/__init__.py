"""Cores that a network in C is compiled for and run on in an emulator."""
