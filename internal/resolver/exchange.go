package resolver

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// udpSize is the size of reply that passes every network unfragmented.
const udpSize = 1232

// maxStray is how many datagrams that answer another question are passed over
// before a server is given up: somebody is guessing.
const maxStray = 100

// ask puts a question to the servers in turn until one knows, and says whether
// that one is trusted. The error is an *Error, or that of ctx.
func (r *Resolver) ask(ctx context.Context, name string, qtype uint16) (*dns.Msg, bool, error) {
	last := &Error{Kind: Failed}
	for range r.tries {
		start := int(r.first.Load())
		for i := range r.servers {
			if err := ctx.Err(); err != nil {
				return nil, false, err
			}
			n := (start + i) % len(r.servers)
			s := r.servers[n]
			m, err := r.exchange(ctx, s, name, qtype)
			if err != nil {
				last = &Error{Kind: Failed, Err: fmt.Errorf("server %s: %w", s.addr, err)}
				// Begin with the next one from now on; only one caller moves it.
				r.first.CompareAndSwap(uint32(n), uint32((n+1)%len(r.servers)))
				continue
			}
			switch m.Rcode {
			case dns.RcodeSuccess, dns.RcodeNameError:
				return m, s.trusted, nil
			case dns.RcodeRefused:
				last = &Error{Kind: Refused, Err: fmt.Errorf("server %s", s.addr)}
			default:
				last = &Error{Kind: Failed, Err: fmt.Errorf("server %s: %s", s.addr, dns.RcodeToString[m.Rcode])}
			}
		}
	}
	return nil, false, last
}

// exchange puts a question to one server, over UDP, and over TCP when the reply
// does not fit.
func (r *Resolver) exchange(ctx context.Context, s server, name string, qtype uint16) (*dns.Msg, error) {
	m, err := r.roundTrip(ctx, "udp", s.addr, name, qtype)
	if err == nil && m.Truncated {
		m, err = r.roundTrip(ctx, "tcp", s.addr, name, qtype)
		if err == nil && m.Truncated {
			return nil, errReply
		}
	}
	return m, err
}

// roundTrip makes one connection, writes one question and reads its reply. Each
// question has its own source port and a random number (RFC 5452 section 9.2).
func (r *Resolver) roundTrip(ctx context.Context, network, addr, name string, qtype uint16) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	conn, err := r.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	q := new(dns.Msg)
	q.SetQuestion(name, qtype)
	q.Id = dns.Id()
	// Ask for the AD bit without the signatures (RFC 6840 section 5.7).
	q.AuthenticatedData = true
	q.SetEdns0(udpSize, false)
	wire, err := q.Pack()
	if err != nil {
		return nil, err
	}
	m, err := transfer(conn, network == "tcp", wire, q)
	if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil {
		err = ctx.Err()
	}
	return m, err
}

// transfer writes the question and reads until the reply to it comes.
func transfer(conn net.Conn, stream bool, wire []byte, q *dns.Msg) (*dns.Msg, error) {
	if stream {
		wire = append(binary.BigEndian.AppendUint16(nil, uint16(len(wire))), wire...)
	}
	if _, err := conn.Write(wire); err != nil {
		return nil, err
	}
	if stream {
		var length [2]byte
		if _, err := io.ReadFull(conn, length[:]); err != nil {
			return nil, err
		}
		buf := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(conn, buf); err != nil {
			return nil, err
		}
		if m := parse(buf, q); m != nil {
			return m, nil
		}
		return nil, errReply
	}
	buf := make([]byte, 4096)
	for range maxStray {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, err
		}
		if m := parse(buf[:n], q); m != nil {
			return m, nil
		}
	}
	return nil, errReply
}

// parse reads a reply and checks that it is one, and one to our question; the
// number alone can be guessed (RFC 5452 section 9.1). A truncated reply may be
// cut anywhere after the question.
func parse(wire []byte, q *dns.Msg) *dns.Msg {
	m := new(dns.Msg)
	if err := m.Unpack(wire); err != nil && !m.Truncated {
		return nil
	}
	if m.Id != q.Id || !m.Response || m.Opcode != dns.OpcodeQuery || len(m.Question) != 1 {
		return nil
	}
	a, b := m.Question[0], q.Question[0]
	if a.Qtype != b.Qtype || a.Qclass != b.Qclass || !strings.EqualFold(a.Name, b.Name) {
		return nil
	}
	return m
}
