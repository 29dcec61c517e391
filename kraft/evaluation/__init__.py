"""How good the scores are: the metrics that `sql/evaluation` computes, gathered for people and programs."""
