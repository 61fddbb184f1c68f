"""What ours is compared with, written from the papers: TimeDiff, and ours with mask diffusion for its categories.

Shapes as in `model.diffusion`; C is the largest number of categories of a channel, and channels with fewer are padded.
"""
