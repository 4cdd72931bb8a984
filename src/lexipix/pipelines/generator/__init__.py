"""The generator stage: the VAE, the text prior in its latent space, and the GAN."""
