"""Packing documents into rows of seq + 1 tokens without padding: autoresearch's best fit."""


def packed_rows(batches, row_tokens, buffer_documents=1000, keep_remainder=False):
    """Yields rows (lists of row_tokens tokens) for as long as `batches` lasts.

    `batches` iterates over lists of documents, each a list of tokens that starts with BOS (autoresearch reads 128
    documents at a time). Before every placement the buffer is refilled to at least buffer_documents. The longest
    document that fits the rest of the row is placed, the earliest of equals; when none fits, the shortest is cut to
    fill the row, again the earliest. Its rest is thrown away as in autoresearch, or with keep_remainder goes back
    to the buffer as a document, so that every token is used once per pass.
    """
    batches = iter(batches)
    buffer = []
    while True:
        row = []
        while len(row) < row_tokens:
            while len(buffer) < buffer_documents:
                try:
                    buffer.extend(next(batches))
                except StopIteration:
                    break
            if not buffer:
                return
            room = row_tokens - len(row)
            fitting = [i for i, document in enumerate(buffer) if len(document) <= room]
            if fitting:
                row += buffer.pop(max(fitting, key=lambda i: (len(buffer[i]), -i)))
            else:
                document = buffer.pop(min(range(len(buffer)), key=lambda i: (len(buffer[i]), i)))
                row += document[:room]
                if keep_remainder:
                    buffer.append(document[room:])
        yield row
