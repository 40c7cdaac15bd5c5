"""Sound for networks: `.wav` files, and log-mel and MFCC features of them."""
