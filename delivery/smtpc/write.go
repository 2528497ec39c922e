package smtpc

// text puts a piece of a command into the buffer.
func (t *transaction) text(s string) {
	b := t.c.buf
	if len(b.out)+len(s) > cap(b.out) {
		t.flush()
	}
	b.out = append(b.out, s...)
}

// put puts octets into the buffer and sends it whenever it is full, so that an
// envelope and a small message leave in one write.
func (t *transaction) put(p []byte) {
	b := t.c.buf
	for len(p) > 0 {
		if len(b.out) == cap(b.out) {
			t.flush()
		}
		n := min(len(p), cap(b.out)-len(b.out))
		b.out = append(b.out, p[:n]...)
		p = p[n:]
	}
}

// flush sends what is in the buffer.
func (t *transaction) flush() {
	b := t.c.buf
	if len(b.out) > 0 {
		t.c.write(t.ctx, b.out)
	}
	b.out = b.out[:0]
}
