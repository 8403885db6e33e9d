/* Sums that timeline and range bar share: made once for a recording. */
import { Pyramids } from '../../data/pyramid'
import type { Recording } from '../../data/recording'
import { holderColors } from './colors'

const made = new WeakMap<Recording, Pyramids>()

export function pyramidsOf(rec: Recording): Pyramids {
  let pyramids = made.get(rec)
  if (!pyramids) made.set(rec, (pyramids = new Pyramids(rec, holderColors(rec.threads.length))))
  return pyramids
}
