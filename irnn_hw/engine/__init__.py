"""The recurrence of an integer network in C++: forward as golden has it, and its gradients."""
