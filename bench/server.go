package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/sesame-mta/sesame/internal/mta"
)

// server is one mail server under measurement.
type server struct {
	addr string
	pids []int // it and its helpers; their descendants count too
	// user and password are for AUTH, where the row has it.
	user, password string
	// syncs gives how many were made so far; nil does not know.
	syncs func() (int64, error)
	// release begins to deliver what was held, where that is not the sink's part;
	// nil has nothing to do.
	release func(context.Context) error
	// settings is how it was set, for the report.
	settings string
	// patience is how long a message may take before its connection is given up and
	// another made; 0 gives up the run.
	patience time.Duration
	log      string // a file that tells why it failed; empty without one
	stop     func()
}

// setup is what a server is started for.
type setup struct {
	row
	binary string // of sesame
	host   string // of the sink, with its port
	shared *shared
	more   string // further settings for Postfix
}

// errLeftOut says that a server cannot show a row here.
var errLeftOut = errors.New("left out")

// start starts the server of a name.
func start(ctx context.Context, name string, s setup) (*server, error) {
	switch name {
	case "sesame":
		return startSesame(ctx, s)
	case "postfix":
		return startPostfix(ctx, s)
	case "exim":
		return startExim(ctx, s)
	case "opensmtpd":
		return startOpenSMTPD(ctx, s)
	}
	return nil, fmt.Errorf("-servers: unknown %q", name)
}

// port is that of the sink.
func (s setup) port() string {
	_, port, _ := net.SplitHostPort(s.host) // a listener's
	return port
}

// domain names the nth destination, as bench/load does.
func domain(n int) string { return fmt.Sprintf("d%d.example.net", n) }

// shared is what all servers of a command have in common: a certificate and the
// watch over syncs.
type shared struct {
	dir       string
	cert, key string // files
	config    *tls.Config
	library   string // counts and delays syncs; empty without a C compiler
}

// newShared makes them in a folder that remove removes.
func newShared() (*shared, error) {
	dir, err := os.MkdirTemp("", "sesame-bench-")
	if err != nil {
		return nil, err
	}
	s := &shared{dir: dir, cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem")}
	if err := errors.Join(os.Chmod(dir, 0o755), s.certify()); err != nil {
		s.remove()
		return nil, err
	}
	s.library = buildLibrary(dir)
	return s, nil
}

func (s *shared) remove() { _ = os.RemoveAll(s.dir) } // a left-over is no result

// certify makes a certificate with an ECDSA key, as all certificates here are.
func (s *shared) certify() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bench.example.com"},
		DNSNames: []string{"bench.example.com"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	if err := errors.Join(os.WriteFile(s.cert, cert, 0o644), os.WriteFile(s.key, private, 0o600)); err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(cert, private)
	s.config = &tls.Config{Certificates: []tls.Certificate{pair}}
	return err
}

// missing makes a word for the reader of an error that leaves a server out.
func missing(err error) bool { return errors.Is(err, mta.ErrMissing) || errors.Is(err, errLeftOut) }

// pair gives key and certificate in one text.
func (s *shared) pair() (string, error) {
	key, err := os.ReadFile(s.key)
	if err != nil {
		return "", err
	}
	cert, err := os.ReadFile(s.cert)
	return string(key) + string(cert), err
}

func rsaKey() (string, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})), nil
}
