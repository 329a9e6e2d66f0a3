import words

print(words.greeting())
