package testmx

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Server is a listening mail host.
type Server struct {
	o        Options
	listener net.Listener
	cert     *x509.Certificate

	count       atomic.Int64 // messages taken
	recipients  atomic.Int64
	deferred    atomic.Int64
	connections atomic.Int64

	work sync.WaitGroup
	stop chan struct{}

	mu       sync.Mutex
	arrived  *sync.Cond
	messages []Message
	conns    map[net.Conn]bool
	closed   bool
}

// New starts a server. Close ends it.
func New(o Options) (*Server, error) {
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.Hostname == "" {
		o.Hostname = "mx.example.org"
	}
	if o.Keywords == nil {
		o.Keywords = []string{"PIPELINING", "8BITMIME", "SIZE 41943040", "CHUNKING"}
	}
	if len(o.Users) > 0 {
		o.Keywords = append(slices.Clone(o.Keywords), "AUTH PLAIN LOGIN")
	}
	if o.DripEvery <= 0 {
		o.DripEvery = 20 * time.Millisecond
	}
	s := &Server{o: o, stop: make(chan struct{}), conns: map[net.Conn]bool{}}
	s.arrived = sync.NewCond(&s.mu)
	if (o.StartTLS || o.ImplicitTLS) && o.TLS == nil {
		if err := s.certify(); err != nil {
			return nil, err
		}
	}
	l, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s.listener = l
	s.work.Go(s.accept)
	return s, nil
}

// certify makes a certificate for the host name and the loopback addresses.
func (s *Server) certify() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: s.o.Hostname},
		DNSNames:              []string{s.o.Hostname},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return fmt.Errorf("make certificate: %w", err)
	}
	if s.cert, err = x509.ParseCertificate(der); err != nil {
		return fmt.Errorf("read certificate: %w", err)
	}
	s.o.TLS = &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key, Leaf: s.cert}},
		MinVersion:   tls.VersionTLS10,
	}
	return nil
}

// Roots holds the server's own certificate, for clients that verify it.
func (s *Server) Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	if s.cert != nil {
		pool.AddCert(s.cert)
	}
	return pool
}

// Addr gives the address that the server listens on.
func (s *Server) Addr() netip.AddrPort {
	return s.listener.Addr().(*net.TCPAddr).AddrPort()
}

// Count gives how many messages were taken.
func (s *Server) Count() int64 { return s.count.Load() }

// Recipients gives how many recipients they had together.
func (s *Server) Recipients() int64 { return s.recipients.Load() }

// Deferred gives how many messages DeferPercent has refused.
func (s *Server) Deferred() int64 { return s.deferred.Load() }

// Connections gives how many connections were accepted.
func (s *Server) Connections() int64 { return s.connections.Load() }

// Messages gives what was taken so far, in order.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// Wait waits until n messages have been taken, and gives them all.
func (s *Server) Wait(ctx context.Context, n int) ([]Message, error) {
	defer context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.arrived.Broadcast()
	})()
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.count.Load() < int64(n) {
		if err := ctx.Err(); err != nil {
			return slices.Clone(s.messages), fmt.Errorf("%d of %d messages came: %w", s.count.Load(), n, err)
		}
		s.arrived.Wait()
	}
	return slices.Clone(s.messages), nil
}

// Close ends all connections at once and waits for their goroutines.
func (s *Server) Close() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed = true
	close(s.stop)
	_ = s.listener.Close()
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.work.Wait()
}

func (s *Server) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			select {
			case <-s.stop:
				return
			case <-time.After(10 * time.Millisecond): // out of descriptors, say
				continue
			}
		}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			_ = c.Close()
			return
		}
		s.conns[c] = true
		n := int(s.connections.Add(1))
		s.mu.Unlock()
		s.work.Go(func() {
			newSession(s, c, n).serve()
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
			_ = c.Close()
		})
	}
}

func (s *Server) take(m *Message) {
	s.recipients.Add(int64(len(m.To)))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count.Add(1)
	if !s.o.Discard {
		s.messages = append(s.messages, *m)
	}
	s.arrived.Broadcast()
}

// TLSConfig gives what the server does TLS with, for another server to borrow.
func (s *Server) TLSConfig() *tls.Config { return s.o.TLS }
