package guard

import "strings"

// chunk begins a message that comes in chunks (RFC 3030 section 2). go-smtp sees
// one DATA for all of them, since its own BDAT takes a chunk that was cut off
// for a whole one.
func (g *Conn) chunk(arg []byte) {
	size, last, ok := parseChunk(string(arg))
	if !ok {
		// Where the next command begins is unknown now.
		g.bye(replyBdatSyntax, true)
		return
	}
	if r := g.ready(); r != nil {
		if g.discard(size) {
			g.refuse(r)
		}
		return
	}
	g.begin(true)
	g.content.expect(size, last)
	g.show(opData, "DATA\r\n")
}

func parseChunk(arg string) (size int64, last, ok bool) {
	word, rest, _ := strings.Cut(arg, " ")
	rest = strings.Trim(rest, " ")
	if size, ok = parseSize(word); !ok {
		return 0, false, false
	}
	last = strings.EqualFold(rest, "LAST")
	return size, last, last || rest == ""
}

// discard takes the octets of a chunk that has no place, so that they are never
// read as commands.
func (g *Conn) discard(size int64) bool {
	limit := int64(1 << 20)
	if g.locked() == nil && !g.Stranger() {
		limit = max(limit, g.cfg.Limits.MessageBytes)
	}
	if size > limit {
		g.bye(replyTooLong, true)
		return false
	}
	c := &Content{g: g, chunked: true, left: size, err: replyTooLong}
	for c.left > 0 && !g.dead {
		c.nextChunk()
	}
	return !g.dead
}

// nextChunk is next for a message in chunks.
func (c *Content) nextChunk() {
	g := c.g
	switch {
	case c.left > 0 && g.r == g.w:
		c.fill()
	case c.left > 0:
		n := int(min(int64(g.w-g.r), c.left))
		b := g.buf[g.r : g.r+n]
		c.scan(b)
		g.r += n
		c.left -= int64(n)
		c.take(b)
	case c.final && c.facts.Size > 0 && !c.bol:
		// The last line has no end: without one the next hop's DATA could not
		// carry it.
		crlf := []byte("\r\n")
		c.scan(crlf)
		c.take(crlf)
	case c.final:
		c.end()
	default:
		g.say(replyOk)
		c.between()
	}
}

// between reads commands until the next chunk begins. What ends the transaction
// stays in the buffer, for after the session is told.
func (c *Content) between() {
	g := c.g
	for !g.dead {
		line, fault, ok := g.readLine(false)
		if !ok {
			break
		}
		if fault != nil {
			g.refuse(fault)
			continue
		}
		var buf [8]byte
		name, arg := split(line, &buf)
		if control(line) || len(line)+2 > commandOctets {
			g.refuse(replySyntax)
			continue
		}
		switch string(name) {
		case "BDAT":
			size, last, ok := parseChunk(string(arg))
			if !ok {
				g.bye(replyBdatSyntax, true)
				break
			}
			c.expect(size, last)
			if size == 0 && !last {
				g.idleTalk()
			}
			return
		case "RSET", "EHLO", "HELO", "QUIT":
			g.r -= len(line) + 2
			g.quiet = true // the chunks so far are answered
			c.err = ErrAborted
			return
		case "MAIL", "RCPT", "DATA", "AUTH", "STARTTLS":
			g.refuse(replyChunks)
		default:
			g.other(string(name))
		}
	}
	c.err = ErrAborted
}
