"""What a network is trained by: one loss a file, each within a bounded memory."""
