"""Continuous-time diffusion for mixed-type time series; the mathematics of CDMT-EHR (arXiv:2603.23719).

Shapes: B stays in a batch, L clinical time steps, M_n numerical features, M_c categorical channels, d coordinates per
embedding. A state is one tensor (B, L, D) with D = M_n + M_c d: the numerical values, then the embeddings.
"""
