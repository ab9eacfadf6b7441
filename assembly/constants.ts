// The constants of exp (math.ts) and GELU, as exported variables: so the optimiser must take them for variables.
//
// A vector constant inside a loop costs V8 three instructions each time round, since it neither keeps it in a register
// nor loads it from memory; spreading a variable over the lanes costs one load and one shuffle. exp has a dozen of
// them: as constants it took 1.2 ns an element, so 0.67, and 0.43 where V8 also revectorises the loop.
export let ONE: f32 = 1;
/** Adding 1.5 * 2^23 rounds to an integer, which then stands in the low bits of the float. */
export let ROUND: f32 = 12582912;
export let LOG2_E: f32 = 1.44269504088896341;
/** -ln 2 in two parts; n times the first is exact. */
export let LN2_HIGH: f32 = -0.693359375;
export let LN2_LOW: f32 = 2.12194440e-4;
/** Range of exp's argument: below it e^x is subnormal; above, 2^n is infinite. */
export let EXP_LOWEST: f32 = -87.33;
export let EXP_HIGHEST: f32 = 89;
/** e^r = 1 + r + r² (EXP_2 + … + EXP_7 r⁵): Cephes' expf. */
export let EXP_2: f32 = 5.0000001201e-1;
export let EXP_3: f32 = 1.6666665459e-1;
export let EXP_4: f32 = 4.1665795894e-2;
export let EXP_5: f32 = 8.3334519073e-3;
export let EXP_6: f32 = 1.3981999507e-3;
export let EXP_7: f32 = 1.9875691500e-4;

/** 2 sqrt(2/pi): GELU's sigmoid takes 2u, u = sqrt(2/pi) (x + GELU_CUBIC x³). */
export let GELU_SLOPE: f32 = 1.5957691216057308;
export let GELU_MINUS_SLOPE: f32 = -1.5957691216057308;
export let GELU_CUBIC: f32 = 0.044715;
/** 3 GELU_CUBIC GELU_SLOPE, of 2u's derivative. */
export let GELU_BEND: f32 = 3 * 0.044715 * 1.5957691216057308;

/**
 * GELU's erf form needs Phi(x), the standard normal CDF. For x = -a < 0 it is e^(-a²/2) R(a), and R(a)
 * is t (PHI_1 + PHI_2 t + … + PHI_9 t⁸) with t = 1 / (1 + PHI_BEND a), within 2.3e-8 of R for a up to 15: fitted to
 * erfcx in float64 for the least relative error.
 */
export let PHI_BEND: f32 = 0.21;
export let PHI_1: f32 = 0.08371846171246046;
export let PHI_2: f32 = 0.0849596988615752;
export let PHI_3: f32 = 0.06992560063333252;
export let PHI_4: f32 = 0.12214309852811664;
export let PHI_5: f32 = -0.0877645943801752;
export let PHI_6: f32 = 0.340756242487561;
export let PHI_7: f32 = -0.3228776281629193;
export let PHI_8: f32 = 0.28008487611109156;
export let PHI_9: f32 = -0.07094574461910712;
export let HALF: f32 = 0.5;
/** 1 / sqrt(2 pi): the peak of the standard normal density. */
export let NORMAL: f32 = 0.3989422804014327;
