package webhook

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // version 1 of the signature of SNS is over SHA-1
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// certificateLife is how long the certificate is good. Validators look at its key
// only.
const certificateLife = 20 * 365 * 24 * time.Hour

// Signer signs SNS messages and knows the certificate that proves it.
type Signer struct {
	key         *rsa.PrivateKey
	certificate []byte // PEM
	path        string
}

// NewKey makes a key in the form that NewSigner takes: private key and certificate
// for a host.
func NewKey(host string) (private, certificate []byte, err error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, nil, err
	}
	now := time.Now()
	t := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certificateLife), KeyUsage: x509.KeyUsageDigitalSignature}
	if certificate, err = x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key); err != nil {
		return nil, nil, err
	}
	private, err = x509.MarshalPKCS8PrivateKey(key)
	return private, certificate, err
}

// NewSigner makes a signer from what NewKey gave.
func NewSigner(private, certificate []byte) (*Signer, error) {
	any8, err := x509.ParsePKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	key, ok := any8.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("signing key is not an RSA key")
	}
	sum := sha256.Sum256(certificate)
	return &Signer{key: key, path: Path + "/SimpleNotificationService-" + hex.EncodeToString(sum[:16]) + ".pem",
		certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})}, nil
}

// CertPath gives the path at which Handler serves the certificate.
func (s *Signer) CertPath() string { return s.path }

// Sign gives the signature over a text in base64.
func (s *Signer) Sign(text string, version int) (string, error) {
	hash, sum := crypto.SHA256, sha256.Sum256([]byte(text))
	digest := sum[:]
	if version == 1 {
		old := sha1.Sum([]byte(text)) //nolint:gosec // as above
		hash, digest = crypto.SHA1, old[:]
	}
	sig, err := rsa.SignPKCS1v15(rand.Reader, s.key, hash, digest)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return base64.StdEncoding.EncodeToString(sig), nil
}
