"""The firmware that speaks over a serial line, beside every network in C and C++."""
