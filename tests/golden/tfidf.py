"""The numbers that the unit test of `tfidf` holds, computed by scikit-learn.

Run with scikit-learn 1.9: python tests/golden/tfidf.py
It prints one case a line: parameters, words, one list a word with its numbers for LATER.
"""

from sklearn.feature_extraction.text import TfidfVectorizer

TRAIN = ["The quick brown fox", "the lazy dog, the DOG!", "Über den Fluss: 42 a b", "", "quick quick dog"]
LATER = ["the dog the fox", "über 42 nothing", "", "quick brown fox quick", "unseen"]

for parameters in [{}, {"min_df": 2, "norm": None}, {"ngram_range": (1, 2), "max_df": 0.3, "sublinear_tf": True}, {"norm": "l1", "max_features": 3}]:
    fitted = TfidfVectorizer(**parameters).fit(TRAIN)
    print(parameters, "|", fitted.get_feature_names_out().tolist(), "|", fitted.transform(LATER).toarray().T.tolist())
