// The codecs that kafkajs leaves to packages: snappy, lz4 and zstd, all without native code.
'use strict'
const { CompressionTypes, CompressionCodecs } = require('kafkajs')
const lz4 = require('lz4js')
const xxh32 = require('lz4js/xxh32')
const { ZstdCodec } = require('zstd-codec')

const BLOCK_SIZE = 64 * 1024

// A frame of independent blocks, which Kafka asks for; the package itself writes linked ones.
function lz4Frame(source) {
  const descriptor = Uint8Array.from([0x60, 0x40])
  const pieces = [Buffer.from([0x04, 0x22, 0x4d, 0x18, ...descriptor, (xxh32.hash(0, descriptor, 0, 2) >> 8) & 0xff])]
  for (let start = 0; start < source.length; start += BLOCK_SIZE) {
    const block = Uint8Array.from(source.subarray(start, start + BLOCK_SIZE))
    const packed = new Uint8Array(lz4.compressBound(block.length))
    const size = lz4.compressBlock(block, packed, 0, block.length, new Uint32Array(1 << 16))
    const length = Buffer.alloc(4)
    const stored = size === 0 || size >= block.length
    length.writeUInt32LE(stored ? (block.length | 0x80000000) >>> 0 : size)
    pieces.push(length, Buffer.from(stored ? block : packed.subarray(0, size)))
  }
  return Buffer.concat([...pieces, Buffer.alloc(4)])
}

CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy')

CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async encoder => lz4Frame(encoder.buffer),
  decompress: async buffer => Buffer.from(lz4.decompress(buffer)),
})

const zstd = new Promise(resolve => ZstdCodec.run(library => resolve(new library.Simple())))

CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async encoder => Buffer.from((await zstd).compress(new Uint8Array(encoder.buffer), 3)),
  decompress: async buffer => Buffer.from((await zstd).decompress(new Uint8Array(buffer))),
})
