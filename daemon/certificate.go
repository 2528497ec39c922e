package daemon

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sesame-mta/sesame/internal/atomicfile"
)

// certPoll is how often certificate files are looked at for a change.
const certPoll = 10 * time.Second

// certificate is a certificate and key read from two files, read again when
// they change. A broken change keeps the certificate in use.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger
	current           atomic.Pointer[tls.Certificate]

	mu    sync.Mutex
	stamp [2]time.Time
}

func loadCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log}
	if err := c.load(); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *certificate) load() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	stamp, err := c.stamps()
	if err != nil {
		return fmt.Errorf("read certificate: %w", err)
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("read certificate: %w", err)
	}
	c.stamp = stamp
	c.current.Store(&pair)
	return nil
}

func (c *certificate) stamps() (s [2]time.Time, err error) {
	for i, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return s, err
		}
		s[i] = info.ModTime()
	}
	return s, nil
}

// reload reads the files again, whatever their times say.
func (c *certificate) reload() {
	if err := c.load(); err != nil {
		c.log.Error("certificate not read, the one in use stays", "err", err)
		return
	}
	c.log.Info("certificate read")
}

// watch reloads when a file's time changes, until ctx ends.
func (c *certificate) watch(ctx context.Context) {
	t := time.NewTicker(certPoll)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		c.mu.Lock()
		stamp, err := c.stamps()
		same := err != nil || stamp == c.stamp
		c.mu.Unlock()
		if !same {
			c.reload()
		}
	}
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return c.current.Load(), nil
}

// selfSignedFiles names the files of the certificate that we make ourselves.
func selfSignedFiles(dir string) (certFile, keyFile string) {
	return filepath.Join(dir, "self-signed.pem"), filepath.Join(dir, "self-signed.key")
}

// selfSigned gives the files of an ECDSA certificate for host under dir, made
// when it is not there yet.
func selfSigned(dir, host string, log *slog.Logger) (certFile, keyFile string, err error) {
	certFile, keyFile = selfSignedFiles(dir)
	if _, err := os.Stat(certFile); err == nil {
		return certFile, keyFile, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", "", err
	}
	log.Warn("no certificate configured, a self-signed one was made", "text", host)
	return certFile, keyFile, writePair(certFile, keyFile, issue{hosts: []string{host}, days: 3650})
}

// issue says what certificate to make.
type issue struct {
	hosts  []string // DNS names and network addresses
	days   int
	isCA   bool
	parent *tls.Certificate // nil: self-signed
}

// writePair makes a key and a certificate and writes both, the key first, so
// that a certificate file means a complete pair.
func writePair(certFile, keyFile string, i issue) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	t := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: i.hosts[0]},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().AddDate(0, 0, i.days),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if i.isCA {
		t.IsCA, t.BasicConstraintsValid = true, true
		t.KeyUsage, t.ExtKeyUsage = x509.KeyUsageCertSign|x509.KeyUsageCRLSign, nil
	} else {
		for _, h := range i.hosts {
			if ip := net.ParseIP(h); ip != nil {
				t.IPAddresses = append(t.IPAddresses, ip)
			} else {
				t.DNSNames = append(t.DNSNames, h)
			}
		}
	}
	parent, signer := t, any(key)
	if i.parent != nil {
		parent, signer = i.parent.Leaf, i.parent.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, t, parent, key.Public(), signer)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := atomicfile.Write(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600); err != nil {
		return err
	}
	return atomicfile.Write(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
}
