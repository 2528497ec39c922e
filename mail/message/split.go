package message

// Splitter finds the end of the header section at the front of content that comes
// in pieces. It keeps nothing of it. The zero value is ready.
type Splitter struct {
	// Max is the most octets of a header section, 256 KB when 0.
	Max int

	size  int
	match int // octets of CRLF CRLF seen, counting the start as a CRLF
	state int
}

const (
	begun = iota // the zero value: nothing was fed
	reading
	ended
)

// Feed takes the next piece of the content and gives how many of its octets
// belong to the header section, the empty line included. Content that begins
// with CRLF has that as its whole header section. ErrHeaderSize says that no
// empty line came in time.
func (s *Splitter) Feed(p []byte) (int, error) {
	switch s.state {
	case begun:
		s.match, s.state = 2, reading
	case ended:
		return 0, nil
	}
	const end = "\r\n\r\n"
	n := len(p)
	for i, c := range p {
		switch {
		case c == end[s.match]:
			s.match++
		case c == '\r':
			s.match = 1
		default:
			s.match = 0
		}
		if s.match == len(end) {
			s.state, n = ended, i+1
			break
		}
	}
	if s.size+n > (Limits{Octets: s.Max}).orDefault().Octets {
		return 0, ErrHeaderSize
	}
	s.size += n
	return n, nil
}

// Ended reports whether the empty line was seen.
func (s *Splitter) Ended() bool { return s.state == ended }

// Size gives the octets of the header section so far.
func (s *Splitter) Size() int { return s.size }
