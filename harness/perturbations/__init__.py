"""Small changes of a text that should not change its answer, as pure functions.

    spec        a perturbation as configuration: severity, seed, scope
    source      a text, and what of it may be edited
    protect     spans that are never edited, found from the text alone
    negation    words that an edit must neither destroy nor make
    edits       what was done to a text, with offsets
    tables      the words and letters that the perturbations know, by language
    letters     typing errors: keyboard, deletion, insertion, swap, shuffle, OCR
    glyphs      look-alikes: homoglyphs, invisible characters, leet
    casing      lower, UPPER, rAnDoM
    marks       spaces and punctuation
    spelling    common misspellings; contractions and expansions
    synonyms    WordNet synonyms
    insertions  fillers, distractor sentences, dropped function words
    fairness    counterfactuals: gender, names, dialect
    gender      which of two words `her` and `his` stand for
    inflection  regular English forms, for that table
    wordnet     derives the table of synonyms from WordNet's files

A perturbation is a function `(source, severity, rng) -> Perturbed`. It finds its sites in the text, whatever the
severity; draws one uniform for each, in the order of the text; and edits those below severity x rate. So the edits at
a lower severity are among those at a higher one.

Layer: beside `records`; stdlib only.
"""
