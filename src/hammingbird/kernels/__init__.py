"""Hamming kernels: nearest, within a radius, distance histograms, asymmetric scores.

The work is done by one C++ extension (``native.cpp``), or, where it was not built, by a NumPy twin
that gives identical results. Rows are packed codes, uint8 [n, bytes]; bytes of padding are equal on
both sides and so never add to a distance. Ties are always broken by the smaller row number.
"""
