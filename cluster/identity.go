package cluster

import (
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

// identity is what proves that a message comes from one incarnation and no other, though all members have the same
// gossip key: an X25519 key pair that lives as long as the process. The public key is gossiped, and the incarnation's
// identifier ends with its hash, so nobody can gossip another key for it. What two members say to each other carries a
// MAC of a secret that only these two have.
type identity struct{ private *ecdh.PrivateKey }

// SecretBytes is the size of what [Node.Secret] gives.
const SecretBytes = 32

const (
	macBytes   = 16 // HMAC-SHA256, cut off as RFC 2104 allows
	idKeyBytes = 8  // of the public key's hash, in an identifier
)

var errForged = errors.New("it does not come from there")

func newIdentity() (identity, error) {
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return identity{}, fmt.Errorf("cluster: making a key pair: %w", err)
	}
	return identity{private}, nil
}

func (i identity) public() []byte { return i.private.PublicKey().Bytes() }

// incarnation is the identifier of a node of this name that has this public key.
func incarnation(name string, public []byte) string {
	h := sha256.Sum256(public)
	return name + "~" + hex.EncodeToString(h[:idKeyBytes])
}

// secret derives, for one purpose, what this member and the one with that public key alone know.
func (i identity) secret(public []byte, purpose string) ([]byte, error) {
	peer, err := ecdh.X25519().NewPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("cluster: a member's public key: %w", err)
	}
	shared, err := i.private.ECDH(peer)
	if err != nil {
		return nil, fmt.Errorf("cluster: a member's public key: %w", err)
	}
	return hkdf.Key(sha256.New, shared, nil, "ringloom "+purpose, SecretBytes)
}

// sign puts a MAC before a frame.
func sign(secret, frame []byte) []byte { return append(mac(secret, frame), frame...) }

// authentic says whether a MAC is that of a frame.
func authentic(secret, tag, frame []byte) bool { return hmac.Equal(mac(secret, frame), tag) }

func mac(secret, frame []byte) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write(frame)
	return h.Sum(nil)[:macBytes]
}

// Secret gives what this rank and another one of the view know and nobody else, other holders of the gossip key
// included: SecretBytes bytes, the same on both and new with every process. Errors say why there is none.
func (n *Node) Secret(rank int) ([]byte, error) {
	select {
	case <-n.formed:
	default:
		return nil, errors.New("cluster: Secret without a view")
	}
	if rank < 0 || rank >= n.view.WorldSize() {
		return nil, fmt.Errorf("cluster: there is no rank %d", rank)
	}
	return n.identity.secret(n.view.Members[rank].Key, "ring")
}
