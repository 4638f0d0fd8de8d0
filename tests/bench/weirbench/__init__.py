"""What tests/bench/{run,instructions,keepalive.py,soak} share. Needs Debian's python3 alone."""
