"""The machine below: files, the terminal, devices, memory, randomness, where a result comes from."""
