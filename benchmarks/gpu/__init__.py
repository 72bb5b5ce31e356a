"""Every layer under XLA's GPU compiler, on machines with a GPU and on machines without."""
