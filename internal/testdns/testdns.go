// Package testdns is a name server for tests, in this process: a zone written as
// text and changed while it runs, faults for each name, and a log of what was
// asked. It owns a UDP and a TCP socket on one port of loopback, and the same
// service in memory for tests that have no sockets.
// It is a test double, linked into no program.
package testdns

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// Server answers for the whole name space: what its zone does not hold does not
// exist. It is safe for use by many goroutines.
type Server struct {
	// Addr is "127.0.0.1:port", the same for UDP and TCP; empty in memory.
	Addr string

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	udp    net.PacketConn
	tcp    net.Listener

	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	zone   zone
	faults map[string]Fault
	delays map[string]time.Duration
	secure bool
	log    []Query
}

// Query is one question that was asked.
type Query struct {
	Name    string // lower case, no final dot
	Type    string // "MX"
	Network string // "udp" or "tcp"
}

// maxLog bounds the log; the oldest half goes.
const maxLog = 200_000

// New starts a server on loopback that ends with the test. Each text may hold
// many records, one a line in the form of a zone file; names are absolute with or
// without the final dot and the TTL is 300 when none is given:
//
//	example.org         MX 10 mx.example.org
//	mx.example.org  60  A  192.0.2.1
//	*.bulk.test         MX 10 mx.example.org
func New(t testing.TB, zone ...string) *Server {
	t.Helper()
	s, err := Start(zone...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// Start is New for those without a test at hand.
func Start(zone ...string) (*Server, error) {
	s, err := InMemory(zone...)
	if err != nil {
		return nil, err
	}
	if err := s.listen(); err != nil {
		return nil, err
	}
	s.wg.Add(2)
	go s.serveUDP()
	go s.serveTCP()
	return s, nil
}

// InMemory makes a server without sockets, reached by Dial alone: for tests in a
// synctest bubble.
func InMemory(zone ...string) (*Server, error) {
	s := &Server{
		conns:  make(map[net.Conn]struct{}),
		zone:   newZone(),
		faults: make(map[string]Fault),
		delays: make(map[string]time.Duration),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	for _, text := range zone {
		if err := s.zone.add(text); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// listen finds a port that is free for both protocols.
func (s *Server) listen() error {
	var err error
	for range 50 {
		if s.tcp, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return err
		}
		s.Addr = s.tcp.Addr().String()
		if s.udp, err = net.ListenPacket("udp", s.Addr); err == nil {
			return nil
		}
		s.tcp.Close()
	}
	return err
}

// Close ends the server and waits for what it was doing.
func (s *Server) Close() {
	s.cancel()
	if s.tcp != nil {
		s.tcp.Close()
		s.udp.Close()
	}
	s.mu.Lock()
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// Add adds records to the zone.
func (s *Server) Add(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.zone.add(text); err != nil {
		panic(err) // a mistake in the test
	}
}

// Set replaces all records of the names in the text by those in the text.
func (s *Server) Set(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rrs, err := parse(text)
	if err != nil {
		panic(err) // a mistake in the test
	}
	for _, rr := range rrs {
		s.zone.remove(rr.Header().Name)
	}
	for _, rr := range rrs {
		s.zone.insert(rr)
	}
}

// Remove takes a name out of the zone.
func (s *Server) Remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.zone.remove(key(name))
}

// Fault makes all questions for a name go wrong in one way, until it is called
// again; None heals it. The name may have a type behind it, as "example.org MX",
// to mean questions for that alone. The name "*" stands for all without their own.
func (s *Server) Fault(name string, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[key(name)] = f
}

// Delay makes answers for a name late. The name "*" stands for all names
// without their own.
func (s *Server) Delay(name string, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delays[key(name)] = d
}

// Secure makes the server set the AD bit when it is asked for.
func (s *Server) Secure(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secure = on
}

// Queries gives what was asked so far, oldest first.
func (s *Server) Queries() []Query {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Query(nil), s.log...)
}

// Count gives how often a name was asked for, with one type or, when rrtype is
// empty, with any.
func (s *Server) Count(name, rrtype string) int {
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	n := 0
	for _, q := range s.Queries() {
		if q.Name == name && (rrtype == "" || q.Type == rrtype) {
			n++
		}
	}
	return n
}

// Dial gives a connection to the server that lives in memory; the address is
// not looked at. On network "udp" each write is a datagram.
func (s *Server) Dial(_ context.Context, network, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	if !s.keep(ours) {
		return nil, net.ErrClosed
	}
	go func() {
		defer s.drop(ours)
		if network == "tcp" {
			s.stream(ours)
			return
		}
		buf := make([]byte, 65535)
		for {
			n, err := ours.Read(buf)
			if err != nil {
				return
			}
			for _, reply := range s.reply(buf[:n], "udp") {
				if _, err := ours.Write(reply); err != nil {
					return
				}
			}
		}
	}()
	return theirs, nil
}

// keep counts a connection that has a goroutine, unless the server is closed.
func (s *Server) keep(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		c.Close()
		return false
	}
	s.conns[c] = struct{}{}
	s.wg.Add(1)
	return true
}

func (s *Server) drop(c net.Conn) {
	c.Close()
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	s.wg.Done()
}

func (s *Server) serveUDP() {
	defer s.wg.Done()
	buf := make([]byte, 65535)
	for {
		n, from, err := s.udp.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		query := append([]byte(nil), buf[:n]...)
		s.wg.Add(1)
		go func() {
			defer s.wg.Done()
			for _, reply := range s.reply(query, "udp") {
				_, _ = s.udp.WriteTo(reply, from)
			}
		}()
	}
}

func (s *Server) serveTCP() {
	defer s.wg.Done()
	for {
		c, err := s.tcp.Accept()
		if err != nil {
			return
		}
		if s.keep(c) {
			go func() {
				defer s.drop(c)
				s.stream(c)
			}()
		}
	}
}

// stream answers questions on a connection, each with its length before it.
func (s *Server) stream(c net.Conn) {
	for {
		var length [2]byte
		if _, err := io.ReadFull(c, length[:]); err != nil {
			return
		}
		query := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(c, query); err != nil {
			return
		}
		for _, reply := range s.reply(query, "tcp") {
			out := append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...)
			if _, err := c.Write(out); err != nil {
				return
			}
		}
	}
}

// reply notes a question and gives the datagrams that answer it.
func (s *Server) reply(wire []byte, network string) [][]byte {
	q := new(dns.Msg)
	if err := q.Unpack(wire); err != nil || len(q.Question) != 1 {
		return nil
	}
	name := strings.ToLower(q.Question[0].Name)
	s.mu.Lock()
	if len(s.log) >= maxLog {
		s.log = append(s.log[:0], s.log[maxLog/2:]...)
	}
	s.log = append(s.log, Query{
		Name:    strings.TrimSuffix(name, "."),
		Type:    dns.TypeToString[q.Question[0].Qtype],
		Network: network,
	})
	fault, ok := s.faults[key(name+" "+dns.TypeToString[q.Question[0].Qtype])]
	if !ok {
		fault, ok = s.faults[name]
	}
	if !ok {
		fault = s.faults["*."]
	}
	delay, ok := s.delays[name]
	if !ok {
		delay = s.delays["*."]
	}
	m := s.zone.answer(q, fault.partial)
	m.AuthenticatedData = s.secure && q.AuthenticatedData
	s.mu.Unlock()
	if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-s.ctx.Done():
			return nil
		}
	}
	if fault.reply != nil {
		return fault.reply(m, network)
	}
	return pack(m, network)
}

// pack gives the reply as it goes out, cut to what the asker can take.
func pack(m *dns.Msg, network string) [][]byte {
	if opt := m.IsEdns0(); network == "udp" && opt != nil {
		m.Truncate(int(opt.UDPSize()))
	} else if network == "udp" {
		m.Truncate(dns.MinMsgSize)
	}
	m.Compress = true
	wire, err := m.Pack()
	if err != nil {
		panic(fmt.Sprintf("testdns: pack %v: %v", m.Question, err)) // a mistake in the test
	}
	return [][]byte{wire}
}

// key gives a name, and the type behind it, as they are kept.
func key(name string) string {
	name, rrtype, typed := strings.Cut(strings.ToLower(name), " ")
	if typed {
		return dns.Fqdn(name) + " " + rrtype
	}
	return dns.Fqdn(name)
}
