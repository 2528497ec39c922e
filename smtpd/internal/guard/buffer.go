package guard

// await prepares to wait for a line. Under TLS, whose clients stay to save
// handshakes, nothing is held for what they might say.
func (g *Conn) await() {
	if g.tls != nil && g.content == nil && g.r == g.w {
		g.r, g.w = 0, 0
		g.giveBack()
	}
}

// read waits for octets. Without a buffer it waits for the first octet of a line,
// after which the rest of the record is there at once, and there must be more: a
// line feed alone is answered without.
func (g *Conn) read() (int, error) {
	if g.buf != nil {
		return g.rw.Read(g.buf[g.w:])
	}
	n, err := g.rw.Read(g.first[:])
	if n == 0 {
		return 0, err
	}
	g.borrow()
	g.buf[0] = g.first[0]
	if err != nil || g.buf[0] == '\n' {
		return n, err
	}
	m, err := g.rw.Read(g.buf[n:])
	return n + m, err
}

// room makes place in the buffer for the next read.
func (g *Conn) room() {
	if g.r == g.w {
		g.r, g.w = 0, 0
		switch {
		case g.buf == nil && g.content == nil && g.tls != nil: // read takes one
		case g.content == nil && g.small == nil, g.buf == nil:
			g.borrow()
		case g.content != nil && g.large == nil && g.content.facts.Size > 0:
			g.grow()
		}
		return
	}
	if g.w < len(g.buf) {
		return
	}
	switch {
	case g.r > 0 || g.large != nil:
	case g.content == nil && len(g.buf) == smallBuffer:
		// AUTH is the only command that needs more, and anyone may send it: the
		// large buffers are for those who send mail.
		line := append(make([]byte, 0, authBuffer), g.buf...)
		g.giveBack()
		g.buf = line[:authBuffer]
		return
	default:
		g.grow()
		return
	}
	g.w = copy(g.buf, g.buf[g.r:g.w])
	g.r = 0
}

// borrow takes a small buffer, with nothing in it.
func (g *Conn) borrow() {
	g.giveBack()
	g.small = g.cfg.small.Get().(*[smallBuffer]byte)
	g.buf = g.small[:]
}

// grow goes on with a large buffer.
func (g *Conn) grow() {
	large := g.cfg.large.Get().(*[largeBuffer]byte)
	g.w = copy(large[:], g.buf[g.r:g.w])
	g.r = 0
	g.giveBack()
	g.large, g.buf = large, large[:]
}

// giveBack leaves the buffer to others. What was in it must be done with.
func (g *Conn) giveBack() {
	if g.small != nil {
		g.cfg.small.Put(g.small)
	}
	if g.large != nil {
		g.cfg.large.Put(g.large)
	}
	g.small, g.large, g.buf = nil, nil, nil
}
