"""What is measured on this machine: times and energies of parts, compressed images."""
