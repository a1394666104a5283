"""What every room uses and what knows none of them: nothing in here imports a module of ours from elsewhere."""
