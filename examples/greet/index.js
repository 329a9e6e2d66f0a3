exports.word = "hello from a package";
