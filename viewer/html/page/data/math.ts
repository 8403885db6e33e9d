/* Names that the bundle can shorten: they are everywhere in the sums and drawings of many rows. */
export const { abs, ceil, floor, max, min, round } = Math

export const f64 = (n: number) => new Float64Array(n)
export const f32 = (n: number) => new Float32Array(n)
export const u32 = (n: number) => new Uint32Array(n)
export const i32 = (n: number) => new Int32Array(n)
export const u8 = (n: number) => new Uint8Array(n)
