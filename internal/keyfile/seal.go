package keyfile

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
)

const (
	sealVersion = 1
	idSize      = 8
	headSize    = 1 + idSize
)

// ErrSealed says that a sealed value cannot be opened: it was damaged, or moved
// here from another place.
var ErrSealed = errors.New("sealed value was damaged or belongs elsewhere")

// box is AES-256-GCM with the nonce in front of the ciphertext, and the name of
// its key. Nonces are random: 2^32 values may be sealed with one key, and a
// value is sealed only when an operator makes a secret.
type box struct {
	id   [idSize]byte
	aead cipher.AEAD
}

// boxes are all that can be opened; the last one seals.
type boxes []*box

func newBox(key, id []byte) (*box, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	b := &box{}
	copy(b.id[:], id)
	b.aead, err = cipher.NewGCMWithRandomNonce(block)
	return b, err
}

// laterBox is that of a key which a rotation made.
func laterBox(secret []byte) (*box, error) {
	return newBox(derive(secret, "seal", size), derive(secret, "key-id", idSize))
}

func (f *File) current() *box {
	all := *f.boxes.Load()
	return all[len(all)-1]
}

// Seal gives plain encrypted and bound to its place, which names what the value
// is and whose: only the same place opens it. In front stand a version and the
// id of the key, so that a later key can be told from this one.
func (f *File) Seal(plain []byte, place ...string) []byte {
	b := f.current()
	head := append([]byte{sealVersion}, b.id[:]...)
	return b.aead.Seal(head, nil, plain, join(head, place))
}

// Open gives back what Seal was given. The error is ErrSealed, or one that names
// both keys when the value was sealed under another key file.
func (f *File) Open(sealed []byte, place ...string) ([]byte, error) {
	if len(sealed) < headSize || sealed[0] != sealVersion {
		return nil, ErrSealed
	}
	head := sealed[:headSize]
	for _, b := range *f.boxes.Load() {
		if !bytes.Equal(head[1:], b.id[:]) {
			continue
		}
		plain, err := b.aead.Open(nil, nil, sealed[headSize:], join(head, place))
		if err != nil {
			return nil, ErrSealed
		}
		return plain, nil
	}
	return nil, fmt.Errorf("sealed with key %s, but the key file holds %s: put back the key file it was made with",
		hex.EncodeToString(head[1:]), f.ID())
}

// Refresh gives a sealed value under the key of today, and whether that changed
// it. Whoever keeps sealed values calls it before each is written, so that none
// is written under a key that a rotation is about to drop.
func (f *File) Refresh(sealed []byte, place ...string) ([]byte, bool, error) {
	id := f.current().id
	if len(sealed) >= headSize && bytes.Equal(sealed[1:headSize], id[:]) {
		return sealed, false, nil
	}
	plain, err := f.Open(sealed, place...)
	if err != nil {
		return nil, false, err
	}
	return f.Seal(plain, place...), true, nil
}

// ID names the key that seals without telling of it.
func (f *File) ID() string {
	id := f.current().id
	return hex.EncodeToString(id[:])
}

// join makes the associated data. Each part carries its length, so that no two
// places give the same octets.
func join(head []byte, place []string) []byte {
	out := bytes.Clone(head)
	for _, p := range place {
		out = binary.BigEndian.AppendUint32(out, uint32(len(p)))
		out = append(out, p...)
	}
	return out
}
