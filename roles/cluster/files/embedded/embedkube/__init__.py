"""An embedded Kubernetes in network namespaces of its own."""
