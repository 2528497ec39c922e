package daemon_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/config"
	"github.com/sesame-mta/sesame/internal/testmx"
)

// writeCertificate makes a self-signed certificate for name in dir.
func writeCertificate(t *testing.T, dir, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, b := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// shown gives the name in the certificate that the server shows now.
func (r *relay) shown() string {
	r.t.Helper()
	conn, err := tls.Dial("tcp", r.addrs.ImplicitTLS[0], &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	return strings.Join(conn.ConnectionState().PeerCertificates[0].DNSNames, " ")
}

func TestTheCertificateIsReadAgainAndABrokenOneChangesNothing(t *testing.T) {
	dir := t.TempDir()
	writeCertificate(t, dir, "one.example.org")
	r := newRelay(t, testmx.Options{}, func(c *config.Config) {
		c.TLS.Certificate, c.TLS.Key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	})
	if got := r.shown(); got != "one.example.org" {
		t.Fatalf("shows %q", got)
	}
	writeCertificate(t, dir, "two.example.org")
	r.d.Reload()
	if got := r.shown(); got != "two.example.org" {
		t.Errorf("shows %q after the reload", got)
	}
	if err := os.WriteFile(filepath.Join(dir, "cert.pem"), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.d.Reload()
	if got := r.shown(); got != "two.example.org" {
		t.Errorf("shows %q after a broken reload", got)
	}
	if !strings.Contains(r.log.text(), "certificate not read, the one in use stays") {
		t.Error("nobody was told")
	}
}

func TestHostnameAloneMakesACertificateOfItsOwn(t *testing.T) {
	r := newRelay(t, testmx.Options{})
	if got := r.shown(); got != "mx1.example.org" {
		t.Errorf("shows %q", got)
	}
	if info, err := os.Stat(filepath.Join(r.cfg.DataDir, "tls", "self-signed.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v %v", info, err)
	}
}
