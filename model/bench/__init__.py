"""What a machine makes of the model: how fast it draws, trains, writes and reports, and what the rivals take."""
