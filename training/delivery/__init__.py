"""From a trained network to model files: converted, checked, labelled."""
