"""What every layer uses: errors, files, logging, progress, threads, seeds, machine facts, data types."""
