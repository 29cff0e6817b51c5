"""The edge half: answers samples, and asks a server where its exit is not sure enough."""
