"""What the operator types. Wires the other rooms together; holds no logic of theirs."""
